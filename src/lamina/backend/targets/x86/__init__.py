"""x86-64 processors, by the widest vectors they have."""
