"""What tests share: real processes, mirrors, coordinators, pages and browsers."""
