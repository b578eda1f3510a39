"""The report: figures, drawings, exports and pages, made of tables; files are read and written elsewhere."""
