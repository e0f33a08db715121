"""Group phones that are variants of one base phone: stress, tone, accent."""


def group_variants(phones, describe):
    """Rows for nonsilence_phones.txt and sets for extra_questions.txt.

    phones    all phones but silence
    describe  describe(phone) -> (base, features): the phone without its marks, and the marks

    Phones of one base share a row and so the root of a tree; each mark becomes a question, so
    that the tree can tell them apart. Two phones of a base with the same marks go to rows of
    their own.
    """
    rows, questions, seen = {}, {}, set()
    for phone in sorted(phones):
        base, features = describe(phone)
        features = frozenset(features)
        if (base, features) in seen:
            rows[phone, "alone"] = [phone]
            continue
        seen.add((base, features))
        rows.setdefault(base, []).append(phone)
        for feature in features:
            questions.setdefault(feature, []).append(phone)
    return list(rows.values()), [questions[feature] for feature in sorted(questions)]


def digit_stress(phone):
    """CMUdict's AH0, AH1, AH2: the base AH and the stress."""
    if len(phone) > 1 and phone[-1].isascii() and phone[-1].isdigit():
        return phone[:-1], [phone[-1]]
    return phone, []


def ipa_stress(phone):
    """eSpeak's ˈaː35: the base aː and its stress and tone. Length is another base."""
    base = phone.strip("ˈˌ0123456789")
    if not base:
        return phone, []
    stress, _, tone = phone.partition(base)
    return base, [mark for mark in (stress, tone) if mark]
