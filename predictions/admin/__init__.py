"""The admin: curating the gallery, and watching the work without seeing anybody's photo."""

from django.contrib import admin

from predictions.admin import demo_images, predictions  # noqa: F401 - importing registers them

admin.site.site_header = admin.site.site_title = "Emotionsite"
# So few models need no list beside every page; the tables need the room.
admin.site.enable_nav_sidebar = False
