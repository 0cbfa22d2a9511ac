"""Hour cells of a Spark DataFrame of calls (the extra `spark`)."""

from gonogo.spark.frame_cells import hour_cells

__all__ = ["hour_cells"]
