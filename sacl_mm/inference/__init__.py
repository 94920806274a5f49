"""A trained model and your own images.

from sacl_mm.inference import ImageTextInferencer

model = ImageTextInferencer('configs/shape_world/retrieval.py', 'work_dirs/shape_world/retrieval/epoch_2.pth')
images = ['a.png', 'b.png', 'c.png']  # or BGR arrays as cv2 loads them, or PIL images

(hits,) = model.search(['a red star'], images, k=2)
for hit in hits:
    print(images[hit.index], hit.score)
model.search_texts(images, ['a red star', 'two blue circles'], k=1)
model.match(['a.png'], ['a red star'])  # probabilities

features = model.embed_images(images)  # once; then many searches open only the candidates' images
model.search(['a blue circle'], images, k=2, features=features)
"""

from sacl_mm.inference.inferencer import Hit, ImageTextInferencer

__all__ = ['Hit', 'ImageTextInferencer']
