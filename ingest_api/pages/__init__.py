"""The endpoints under the collect path: events, the pixel, the script, the visitor's id."""
