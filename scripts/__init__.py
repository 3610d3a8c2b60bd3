"""Programs for those who work on bitspike."""
