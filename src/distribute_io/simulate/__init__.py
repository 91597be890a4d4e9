"""Swarms in virtual time, with the real planner and matching: what do donors save, and how near is it to the best?"""
