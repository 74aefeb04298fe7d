"""Actions with hands and objects: three streams, the hands' joints, the objects' pictures and the whole scene."""
