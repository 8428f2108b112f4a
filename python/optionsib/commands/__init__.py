"""The commands of ``optionsib`` by subject: arguments, and what is then called."""
