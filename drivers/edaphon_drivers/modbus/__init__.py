"""Modbus RTU and TCP: instruments that are asked by a table of their registers."""
