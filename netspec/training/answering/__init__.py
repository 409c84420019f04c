"""A trained net and new samples to answers: classes, labels, numbers, blobs and texts."""
