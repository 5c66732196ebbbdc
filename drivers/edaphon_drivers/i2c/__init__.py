"""Sensors on an I2C bus whose answers are 16-bit words, each with its CRC-8 (Sensirion)."""
