"""How work reaches the right person by itself: rules to a team, then somebody of it who is there and has room.

Who is chosen is worked out without a database (`choosing`); everything else reads for it, or writes down what came of it.
"""
