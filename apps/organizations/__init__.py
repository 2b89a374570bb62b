"""Structure without people: the tenant, its sites, departments, teams, cost centres and business calendars.

Who works in a team, and who may do what, is the users app's business.
"""
