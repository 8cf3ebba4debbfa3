"""Long work in a process of its own, for every host: started, followed and ended from here."""
