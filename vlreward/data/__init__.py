"""Loaders for the data sets that the tasks are measured on, and synthetic scenes."""
