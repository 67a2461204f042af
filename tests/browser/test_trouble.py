"""What a page says where the site does not answer what the page asks for in the background."""

from playwright.sync_api import expect

from tests.support.sessions import session


def test_it_is_said_until_an_answer_comes(browser, live_server, static_files, grace):
    # What htmx logs is a fault to the context of other tests.
    context = browser.new_context(base_url=live_server.url)
    context.add_cookies([session(grace, live_server.url)])
    page = context.new_page()
    page.goto("/predictions/?emotion=happy")
    trouble, emotion = page.locator("#trouble"), page.get_by_label("Emotion")
    expect(trouble).not_to_be_visible()
    context.set_offline(True)
    emotion.select_option("sad")
    expect(trouble).to_contain_text("The site does not answer.")
    expect(page.locator("#announcer")).to_contain_text("The site does not answer.")
    page.keyboard.press("End")
    expect(trouble).to_be_in_viewport()
    context.set_offline(False)
    emotion.select_option("fear")
    expect(page).to_have_url(f"{live_server.url}/predictions/?emotion=fear")
    expect(trouble).not_to_be_visible()
    page.route("**/predictions/?*", lambda route: route.fulfill(status=500))
    emotion.select_option("sad")
    expect(trouble).to_contain_text("The site had a problem")
    page.unroute("**/predictions/?*")
    emotion.select_option("happy")
    expect(trouble).not_to_be_visible()
    context.close()
