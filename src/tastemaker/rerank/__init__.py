"""Rules that give a ranked list its last order: freshness, diversity, fairness, those of the business."""
