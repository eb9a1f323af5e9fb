"""What the figures are: periods, the people of a period, and each metric once, for console, files and API."""
