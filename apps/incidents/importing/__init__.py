"""Incident histories of other systems, replayed through our own services.

`mapping` says what the source's words mean, `reading` makes cases of its lines, `cast` finds or makes whom and what they name,
`replaying` lives one case again, `running` does all of them, `report` tells what came of it.
"""
