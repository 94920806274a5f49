"""For mmpretrain's own configurations: `custom_imports = dict(imports=['sacl_mm', 'sacl_mm.engine.load_mmpretrain'])`.

Importing this file loads mmpretrain so that it works with transformers >= 4.52, too, before mmpretrain's tools load it.
"""

from sacl_mm.compatibility import load_mmpretrain

load_mmpretrain()
