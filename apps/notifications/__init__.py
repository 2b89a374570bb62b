"""The outward face: what people are told of, by mail and later by other ways.

Reacts to events of every floor below; nobody imports it. What is true is decided below, here it only leaves the house.
"""
