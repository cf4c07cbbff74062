"""Turn product usage into sales action: definitions, scores, decisions and deliveries."""
