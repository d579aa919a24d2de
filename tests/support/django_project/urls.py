"""The admin and the webhooks."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("refundry/", include("refundry_django.urls"))]
