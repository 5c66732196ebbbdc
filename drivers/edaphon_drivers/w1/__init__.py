"""Thermometers on the kernel's 1-wire bus, read through /sys/bus/w1/devices."""
