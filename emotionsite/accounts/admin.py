from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from emotionsite.accounts.models import User

admin.site.register(User, UserAdmin)
# One way in for everybody, with its limit on guesses; the admin's own log-in has none.
admin.site.login = secure_admin_login(admin.site.login)
