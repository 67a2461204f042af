"""Addresses of the HTML pages."""

from django.urls import path

from predictions import pictures
from predictions.pages import (
    about,
    annotated,
    exporting,
    gallery,
    history,
    insights,
    results,
    selection,
    uploading,
    waiting,
)

urlpatterns = [
    path("", uploading.home, name="home"),
    path("uploads/", uploading.upload_one, name="upload-one"),
    path("predictions/", history.history, name="prediction-list"),
    path("predictions/cards/", waiting.cards, name="prediction-cards"),
    path("predictions/selection/", selection.selection, name="selection"),
    path("predictions/restore/", selection.restore, name="restore"),
    path("predictions/<uuid:pk>/", results.detail, name="prediction-detail"),
    path("predictions/<uuid:pk>/progress/", results.progress, name="prediction-progress"),
    path("predictions/<uuid:pk>/delete/", results.delete, name="prediction-delete"),
    path("predictions/<uuid:pk>/rerun/", results.rerun, name="prediction-rerun"),
    path("predictions/<uuid:pk>/cancel/", results.cancel, name="prediction-cancel"),
    path(
        "predictions/<uuid:pk>/faces/<int:number>/correction/",
        results.correct,
        name="face-correction",
    ),
    path(
        "predictions/<uuid:pk>/faces/<int:number>/explanation/",
        results.explanation,
        name="face-explanation",
    ),
    path(
        "predictions/<uuid:pk>/faces/<int:number>/explanation/picture/",
        pictures.own_explanation,
        name="face-explanation-picture",
    ),
    path(
        "predictions/<uuid:pk>/image/",
        pictures.own_picture,
        {"kind": "image"},
        name="prediction-image",
    ),
    path(
        "predictions/<uuid:pk>/thumbnail/",
        pictures.own_picture,
        {"kind": "thumbnail"},
        name="prediction-thumbnail",
    ),
    path(
        "predictions/<uuid:pk>/annotated/", annotated.annotated_photo, name="prediction-annotated"
    ),
    path("insights/", insights.insights_page, name="insights"),
    path("insights/export/", exporting.export_file, name="export-file"),
    path(
        "insights/export/<uuid:ticket>/progress/",
        exporting.export_progress,
        name="export-progress",
    ),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/<slug:slug>/", gallery.demo, name="demo"),
    path("gallery/<slug:slug>/try/", gallery.try_demo, name="demo-try"),
    path("gallery/<slug:slug>/image/", pictures.demo_picture, {"kind": "image"}, name="demo-image"),
    path(
        "gallery/<slug:slug>/thumbnail/",
        pictures.demo_picture,
        {"kind": "thumbnail"},
        name="demo-thumbnail",
    ),
    path("about/", about.about, name="about"),
]
