"""What is read of leads in the warehouse, by the console and the control API alike."""
