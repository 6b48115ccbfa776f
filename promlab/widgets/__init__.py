"""What is seen in a notebook: live graphs that work offline, in any front end with widgets."""
