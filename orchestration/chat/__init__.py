"""Chats: pulling conversations by the clock, and the models over them."""
