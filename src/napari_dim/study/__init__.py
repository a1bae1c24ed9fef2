"""Studies: cases dealt to several readers, what each has read, and how far they agree."""
