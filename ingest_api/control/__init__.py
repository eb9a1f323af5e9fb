"""The API for people and the console: signing in."""
