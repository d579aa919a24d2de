"""``path("refundry/", include("refundry_django.urls"))``: the webhooks of an account are at ``webhooks/<account>/``."""

from django.urls import path

from refundry_django.views import webhook

app_name = "refundry"
urlpatterns = [path("webhooks/<str:account>/", webhook, name="webhook")]
