"""A consumer that only counts: what reaches it, and how often. Installed in test mode alone."""
