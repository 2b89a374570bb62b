"""The apps of the platform, one floor above the other; README.md beside this file is the floor plan."""
