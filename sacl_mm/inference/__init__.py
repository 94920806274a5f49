"""A trained model and your own pictures.

from sacl_mm.inference import ImageTextInferencer

model = ImageTextInferencer('configs/shape_world/retrieval.py', 'work_dirs/shape_world/retrieval/epoch_2.pth')
pictures = ['a.png', 'b.png', 'c.png']  # or BGR arrays as cv2 loads them, or PIL images

(hits,) = model.search(['a red star'], pictures, k=2)
for hit in hits:
    print(pictures[hit.index], hit.score)
model.search_texts(pictures, ['a red star', 'two blue circles'], k=1)
model.match(['a.png'], ['a red star'])  # probabilities

features = model.embed_images(pictures)  # once; then many searches open only the candidates' pictures
model.search(['a blue circle'], pictures, k=2, features=features)
"""

from sacl_mm.inference.inferencer import Hit, ImageTextInferencer

__all__ = ['Hit', 'ImageTextInferencer']
