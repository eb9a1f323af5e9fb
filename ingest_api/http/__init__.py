"""What every request shares: bodies, client addresses, rates, responses and problem documents."""
