"""What happens when nobody comes: chains of steps, who is told at each, and how the last one who came stops them.

The actions of levels are carried out here too: one vocabulary, one way to tell people.
"""
