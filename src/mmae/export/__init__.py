"""Trained models as folders that others load without this project."""
