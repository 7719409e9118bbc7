"""From a ground truth to figures; nothing of it knows the engine.

In the order of the flow:

- query_pictures.py reads the pictures of a query, each with its region;
- evaluator.py searches with every query of a ground truth and measures the rankings;
- run_file.py writes whole rankings down, as they come;
- evaluation.py is what was found: figures, the worst queries, a picture of them;
- comparison.py says whether one evaluation is better than another by more than chance.
"""

from blcf.measuring.evaluation import Evaluation
from blcf.measuring.evaluator import evaluate

__all__ = ["Evaluation", "evaluate"]
