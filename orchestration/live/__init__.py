"""The live path: one run at a time that loads, transforms and delivers in a loop, and the sensor that keeps it up."""
