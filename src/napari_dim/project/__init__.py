"""What the annotator owns: projects, cohorts, cases, slice states, strokes."""

from napari_dim.project.local import forget_project, recent_projects, remember
from napari_dim.project.lock import Holder
from napari_dim.project.model import Case, Note, ProjectClass
from napari_dim.project.project import Project
from napari_dim.project.strokes import Recovered

__all__ = [
    "Case",
    "Holder",
    "Note",
    "Project",
    "ProjectClass",
    "Recovered",
    "forget_project",
    "recent_projects",
    "remember",
]
