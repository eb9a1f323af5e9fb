"""What pages ask for under the collect path: events, the pixel, the script, the visitor's id."""
