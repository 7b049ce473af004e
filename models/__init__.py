"""Learns criticality and explains it. Knows traces; knows nothing of tiers' enforcement."""
