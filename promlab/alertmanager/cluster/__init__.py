"""High availability: peers that share silences and the notification log, and take turns.

Plain HTTP between promlab's Alertmanagers, with nothing to install and nothing to tune: every
peer knows every other, which is right for the two to a dozen peers that such clusters have.
"""
