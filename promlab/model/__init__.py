"""The vocabulary that every room of promlab shares: labels, matchers, samples, storage seams."""
