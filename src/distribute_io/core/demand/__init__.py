"""How much each file is asked for, where and when: what was seen in, what is expected out."""
