"""What the rules of alerts look at: a picture of the running service, made every half minute."""
