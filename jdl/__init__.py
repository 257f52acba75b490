"""A justice data lab: from a list of people to a published comparison of proven reoffending."""

import sys

# nbformat's schema checker would build some thirty parsers for a format that no notebook uses,
# which takes longer than all else that it imports.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
