"""Programs of the project, not of its users."""
