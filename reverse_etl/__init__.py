"""Activation: the warehouse says what each destination should hold of each lead, this package makes it so."""
