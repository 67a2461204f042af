"""Two ways to use a page: the mouse in a wide window, the keyboard alone in a narrow one.

A test that takes the fixture ``width`` and acts through these functions walks its way twice.
"""

from playwright.sync_api import Locator, Page, expect

NARROW = 600
"""Pixels."""

MOST_STEPS = 150
FOCUS_IS_SHOWN = """element => [element, ...(element.labels ?? [])].some(shown => {
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const { top, bottom } = shown.getBoundingClientRect();
    const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    return outlined && bottom > 0 && top < innerHeight;
})"""

STEPS_TO = """(list, word) =>
    [...list.options].findIndex(option => option.text === word) - list.selectedIndex"""


def by_keyboard(page: Page) -> bool:
    return page.viewport_size["width"] < NARROW


def reach(target: Locator, key: str = "Tab") -> None:
    """Press ``key`` until the target has the focus, and see that one can see where that is."""
    expect(target).to_be_attached()
    for _ in range(MOST_STEPS):
        if target.evaluate("element => element === document.activeElement"):
            break
        target.page.keyboard.press(key)
    expect(target).to_be_focused()
    assert target.evaluate(FOCUS_IS_SHOWN), f"the focus cannot be seen on {target}"


def press(target: Locator, key: str = "Enter", by: str = "Tab") -> None:
    """Reach the target and press ``key`` there."""
    reach(target, by)
    target.page.keyboard.press(key)


def act(target: Locator, key: str = "Enter", by: str = "Tab") -> None:
    """Follow a link, push a button or, with the key ``Space``, tick a box."""
    press(target, key, by) if by_keyboard(target.page) else target.click()


def write(target: Locator, text: str) -> None:
    """Fill in a field."""
    if by_keyboard(target.page):
        reach(target)
        target.page.keyboard.press("Control+A")
        target.page.keyboard.type(text)
    else:
        target.fill(text)


def choose(target: Locator, word: str) -> None:
    """Choose from a list what is called so; arrows need no haste, as typing its letters would."""
    expect(target).to_be_attached()
    target.page.wait_for_load_state()  # Nobody chooses before the scripts of a new page listen.
    if by_keyboard(target.page):
        reach(target)
        steps = target.evaluate(STEPS_TO, word)
        for _ in range(abs(steps)):
            target.page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")
        expect(target.locator("option:checked")).to_have_text(word)
    else:
        target.select_option(label=word)


def choose_files(field: Locator, *files: dict) -> None:
    """Choose files in the dialog of a field, which a mouse opens by the field's label."""
    page = field.page
    label = page.locator(f'label[for="{field.get_attribute("id")}"]')
    with page.expect_file_chooser() as chooser:
        act(field if by_keyboard(page) else label)
    chooser.value.set_files(list(files))


def link(page: Page, name: str) -> Locator:
    """Return the first link of exactly this name."""
    return page.get_by_role("link", name=name, exact=True).first
